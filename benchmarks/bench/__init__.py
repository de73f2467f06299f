"""`python main.py bench`: our pipeline beside MediaPipe Hands, in turn, in one run, on one clip; and what each part of it costs."""
