import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "contract"))  # machine_hosts, which the contract suite shares
