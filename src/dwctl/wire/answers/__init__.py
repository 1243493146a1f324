"""The public shapes of answers: what an upstream said, as a client of OpenAI's protocol may read it."""
