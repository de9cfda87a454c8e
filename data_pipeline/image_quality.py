"""stub"""
Scorer=object
