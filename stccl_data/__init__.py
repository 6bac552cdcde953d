"""Raw talking-face videos in, verified webdataset shards of aligned paired-emotion utterances out."""
