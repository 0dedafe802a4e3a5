"""What lies on a person's machine, read for one question: which AI is installed, connected and signed in?"""
