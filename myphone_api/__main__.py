"""`python -m myphone_api` is the command `myphone`."""

import sys

from myphone_api.cli import main

sys.exit(main())
