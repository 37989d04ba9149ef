"""How often does the comparison with the past speak of a change that was none, and how soon of one that was?"""
