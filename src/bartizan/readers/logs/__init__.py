"""The logs an organisation already has, read for one question: who reached which host, and what does that prove?"""
