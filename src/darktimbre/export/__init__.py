"""Synthesizer → where musicians work: sampler folders (SFZ, DecentSampler, wav), network files (ONNX, torch.export)."""
