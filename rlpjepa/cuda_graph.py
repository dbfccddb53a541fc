"""Chapter 05. A training step as one CUDA graph: hundreds of small kernels that the host launches at once."""

import gc

import torch

PLAIN_CALLS = 3  # before recording: in them libraries choose their algorithms, and torch makes what is made once


class StepGraph:
    """Work on the device that is done plainly a few times, then recorded as a CUDA graph and replayed.

    On small images a fast GPU computes a kernel sooner than the host launches the next one; a replay needs one launch
    for all of them. The numbers are those of plain calls, random ones included: each replay moves the generators on as
    a plain call does.

    Args:
        generator: the CUDA generator that the work draws from (torch's global one may be used besides).

    Calls:
        (work, x) -> a new tensor. ``work`` takes a tensor and returns one, never waits for the device, and always
        launches the same kernels; ``x`` always has the same shape. Tensors outside that ``work`` changes in place
        (weights, running statistics, the optimizer's state) are changed by every replay.

    Raises:
        RuntimeError: if ``work`` cannot be recorded.
    """

    def __init__(self, generator):
        self.generator, self.stream = generator, torch.cuda.Stream(generator.device)
        self.calls, self.graph, self.x, self.result = 0, None, None, None

    def __call__(self, work, x):
        self.calls += 1
        if self.calls <= PLAIN_CALLS:  # on the stream on which it will be recorded
            current = torch.cuda.current_stream(x.device)
            self.stream.wait_stream(current)
            with torch.cuda.stream(self.stream):
                result = work(x)
            current.wait_stream(self.stream)
            return result
        if self.graph is None:
            self.x, graph = x.clone(), torch.cuda.CUDAGraph()
            if torch.__version__ < "2.14":  # from there on a generator is found where it is used
                graph.register_generator_state(self.generator)
            gc.collect()  # a graph that an earlier run left must not die while this one is recorded
            with torch.cuda.graph(graph, stream=self.stream):  # nothing is computed yet
                self.result = work(self.x)
            self.graph = graph
        self.x.copy_(x)
        self.graph.replay()
        return self.result.clone()
