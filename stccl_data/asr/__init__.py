"""A speech recogniser's second opinion on what each clip says (extra `asr`)."""
