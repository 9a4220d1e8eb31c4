"""Parts of commands: the back end that they get, options that choose, questions before mass acts."""
