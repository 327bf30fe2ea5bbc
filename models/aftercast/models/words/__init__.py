"""What is said to people about one device or customer: answers, reasons, next steps, explanations."""
