import sys

sys.exit("I decide when you stop")
