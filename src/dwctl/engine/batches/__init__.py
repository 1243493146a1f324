"""Batches: files of requests that are done within a window (spec/platform §8; decision 0034).

A batch is one row, its two files, and a closed lane for each model, made in one transaction. What happens then is
written by others, each step a transaction of its own: the lines become requests and the lanes open
(`QueueStore.populate`), they are claimed, run and settled, and the statement that settles the last one ends the batch.

| what is asked for | written at once | what follows by steps | the process dies between them |
|---|---|---|---|
| create | the row, its files, its lanes | populating | any process goes on behind the last step |
| cancel | `cancelling_at`, lanes closed | what waits is cancelled, what runs is told to end | the same |
| delete | the same, and `deleted_at` | the same; purging | the same |
| retry | the failed ones are marked, the first put back | the others are put back | the same |
| retry-requests | a thousand of them are put back | the others, within the call | it can be repeated |

What a batch may come to is in its lanes from the moment it is made (`promised`, then `live`), so that admission needs
no reservations that could outlive their maker.
"""
