"""The doctor: looks at a workspace from every side and says what is wrong and how to mend it; changes nothing."""
