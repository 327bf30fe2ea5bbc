"""What is said to people about one device or customer: answers, reasons, next steps, explanations."""

from aftercast.models.words.answers import Answer, answer
from aftercast.models.words.explanation import HazardExplanation, explain
from aftercast.models.words.hazard_words import HazardWords
from aftercast.models.words.plain_explanation import PlainExplanation

__all__ = ["Answer", "HazardExplanation", "HazardWords", "PlainExplanation", "answer", "explain"]
