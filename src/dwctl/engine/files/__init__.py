"""Files: what batches are made of and what comes out of them (spec/platform §8.1 to §8.3, decision 0034).

**Rows.** A file is a row of `files`. The requests of a batch's input are rows of `file_lines`, the bytes of any other
file are rows of `file_pieces`. Output and error files hold nothing: they are read from their batch's requests.

**States.** uploading → processed → deleted → gone. Only processed files are seen, and of those only the ones whose
time has not come. An upload inserts its row as uploading, copies chunks, each in a transaction of its own that holds
the row (`for key share`) and finds it still uploading, and ends with one update to processed. A chunk is on disk before
the next one is taken, so what is processed is whole.

**Death.** Before the row: nothing is there. Until the last update: an uploading row of a process that is gone, which
nobody sees; `Keeping` marks it as deleted, then takes its lines in steps, its row last. A process that was only thought
dead finds its row no longer uploading and gives up; no line can come after the row is gone, for the copy holds the row.
After the last update: a whole file, whether the client heard of it or not. Deletion marks the row, lets go of its
batches and stamps those that run as being cancelled, in one transaction; the lines follow in steps that any process may
take, each of which can be repeated.

**Off the loop.** A form is read piece by piece on the event loop; its lines are not. Up to 256 KB are checked in place
in small slices; of a larger file a process of its own checks every line and hands back rows in PostgreSQL's binary form
(`apart`), so that the loop moves bytes only. It ends with its pipe, whoever dies.
"""
