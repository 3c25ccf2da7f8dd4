"""Parts of a model other than recurrent layers: embedding, pooling, attention, CRF."""
