"""The everyday image plugins of sslbench: methods, backbones, operations, augmentations, datasets."""
