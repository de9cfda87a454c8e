"""From footage, stored poses or toy dances to a data set: what is to be done (jobs), each job's clips, and the set.

A job is done by a pure function of its settings and its file, whose result lies in a cache; who does it, this process
or workers of Apache Beam anywhere, makes no difference.
"""
