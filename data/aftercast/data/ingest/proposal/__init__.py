"""Looking first: what people's files are, proposed by names and cells, with questions for what these cannot tell."""

from aftercast.data.ingest.proposal.propose import Proposal, propose, require_answers
from aftercast.data.ingest.proposal.questions import Question, flat_answers, unanswered

__all__ = ["Proposal", "Question", "flat_answers", "propose", "require_answers", "unanswered"]
