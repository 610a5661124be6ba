"""What compares sentences with sentences: BLEU, ROUGE-L, CIDEr-D and METEOR, each computed for all pairs at once."""
