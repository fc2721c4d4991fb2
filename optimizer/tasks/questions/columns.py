"""The columns of questions, contexts and answers, as SQuAD names them."""

QUESTION, CONTEXT, ANSWERS = "question", "context", "answers"
