"""Certificates by bought labels: labels are asked only where a member and the dense model disagree.

begin -> the answers of all models to fresh texts, and the plan, stored before a label is asked
ask   -> the next texts in their order, as a file to fill in
read  -> the labels of that file, kept once
sequence -> what they say of each member, in the order of the plan
"""
