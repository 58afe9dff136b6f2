"""`python -m model_rollout`."""

import sys

from model_rollout.cli.main import main

sys.exit(main())
