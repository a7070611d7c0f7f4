"""`python -m llm_connector.cli`."""

import sys

from llm_connector.cli import main

sys.exit(main())
