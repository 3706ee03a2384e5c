"""Synthesizer → where musicians work: sampler folders (SFZ, DecentSampler, wav) and network files (ONNX, torch.export)."""
