"""Which of several trained runs to deploy, and a folder that holds all it takes.

Stands on `benchmark`, whose results it reads, on `estimation` and on `training`.
"""

from adapt.deployment.candidates import Candidate, find_runs, judge
from adapt.deployment.choice import Choice, choose
from adapt.deployment.folder import write_folder

__all__ = ["Candidate", "Choice", "choose", "find_runs", "judge", "write_folder"]
