"""What a batch is made of in the database, and small files and batches made in one go (spec/responses §1.9)."""
