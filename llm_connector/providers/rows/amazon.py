"""Bedrock, the models of AWS: each model through Converse, Claude in its own words as well."""

from __future__ import annotations

from dataclasses import replace

from llm_connector.protocols.anthropic_bedrock import AnthropicBedrock
from llm_connector.protocols.converse import Converse
from llm_connector.providers.amazon import CREDENTIALS, AwsAuth, configure_aws, prepare_aws, renew_aws
from llm_connector.providers.remedies import NO_PREFILL
from llm_connector.providers.spec import EVERYTHING, ProviderSpec

__all__ = ["ROWS"]

_REGION = {"region": ("AWS_REGION", "AWS_DEFAULT_REGION")}
_REMEDIES = {
    "on-demand throughput": 'this model is called through a profile: put "us.", "eu." or "global." before its name',
    "AccessDeniedException": "check that the account has access to the model, and that IAM allows bedrock:InvokeModel",
    "ExpiredTokenException": "renew the credentials, for example with `aws sso login`",
    "UnrecognizedClientException": "check the AWS credentials or the key of Bedrock, and its region",
    "InvalidSignatureException": "check the secret key, the clock of this machine and region=",
    **NO_PREFILL,
}

_CONVERSE = ProviderSpec(
    name="bedrock",
    protocol=Converse(),
    base_url=None,
    base_url_env=("AWS_ENDPOINT_URL_BEDROCK_RUNTIME",),
    optional_key_env=("AWS_BEARER_TOKEN_BEDROCK",),
    auth=AwsAuth(),
    supports=EVERYTHING | {"count_tokens"},
    embedding_batch=1,
    credentials=CREDENTIALS,
    credential_env=_REGION,
    configure=configure_aws,
    prepare=prepare_aws,
    renew=renew_aws,
    remedies=_REMEDIES,
    docs="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
)
ROWS = (
    _CONVERSE,
    replace(
        _CONVERSE,
        name="anthropic_bedrock",
        protocol=AnthropicBedrock(),
        base_url_env=("ANTHROPIC_BEDROCK_BASE_URL", *_CONVERSE.base_url_env),
        supports=EVERYTHING - {"audio", "video", "embeddings"} | {"count_tokens"},
        docs="https://platform.claude.com/docs/en/build-with-claude/claude-on-amazon-bedrock-legacy",
    ),
)
