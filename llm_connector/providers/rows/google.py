"""Google: Gemini on its own API and on Vertex AI, and Claude on Vertex AI."""

from __future__ import annotations

from llm_connector.auth import api_key_header
from llm_connector.protocols.anthropic_vertex import AnthropicVertex
from llm_connector.protocols.gemini import Gemini
from llm_connector.protocols.gemini_vertex import VertexGemini
from llm_connector.providers.google import CREDENTIALS, configure_vertex, google_auth
from llm_connector.providers.remedies import NO_PREFILL
from llm_connector.providers.spec import EVERYTHING, ProviderSpec

__all__ = ["ROWS"]

_PROJECT = ("GOOGLE_CLOUD_PROJECT",)
_LOCATION = ("GOOGLE_CLOUD_LOCATION",)
_REMEDIES = {
    "has not been used in project": "enable it: `gcloud services enable aiplatform.googleapis.com`",
    "aiplatform.endpoints.predict": "give this account the role roles/aiplatform.user in the project",
    "Expected OAuth 2 access token": "pass a function as access_token=, or let google-auth renew tokens",
}

ROWS = (
    ProviderSpec(
        name="gemini",
        protocol=Gemini(),
        base_url="https://generativelanguage.googleapis.com/v1beta",
        base_url_env=("GOOGLE_GEMINI_BASE_URL",),
        api_key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        auth=api_key_header("x-goog-api-key"),
        supports=EVERYTHING | {"count_tokens"},
        docs="https://ai.google.dev/api/generate-content",
    ),
    ProviderSpec(
        name="gemini_vertex",
        protocol=VertexGemini(),
        base_url="https://aiplatform.googleapis.com/v1beta1",
        base_url_env=("GOOGLE_VERTEX_BASE_URL",),
        auth=google_auth,
        supports=EVERYTHING | {"count_tokens"},
        credentials=CREDENTIALS,
        credential_env={"project": _PROJECT, "region": _LOCATION},
        configure=configure_vertex,
        remedies=_REMEDIES,
        docs="https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference",
    ),
    ProviderSpec(
        name="anthropic_vertex",
        protocol=AnthropicVertex(),
        base_url="https://aiplatform.googleapis.com/v1",
        base_url_env=("ANTHROPIC_VERTEX_BASE_URL",),
        auth=google_auth,
        supports=EVERYTHING - {"audio", "video", "embeddings"} | {"count_tokens"},
        credentials=CREDENTIALS,
        credential_env={
            "project": ("ANTHROPIC_VERTEX_PROJECT_ID", *_PROJECT),
            "region": ("CLOUD_ML_REGION", *_LOCATION),
        },
        configure=configure_vertex,
        remedies=_REMEDIES | NO_PREFILL,
        docs="https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai",
    ),
)  # fmt: skip
