// @ts-check
/** A Web Audio that keeps what was scheduled and tells its value at any time: enough of it to play the engine on. */

/** The automation of the Web Audio standard, section 1.6: events in order of time, evaluated in closed form. */
export class FakeParam {
  constructor(value = 0) {
    this.events = [];
    this.initial = value;
    this.calls = [];
  }

  #insert(event) {
    if (!Number.isFinite(event.time) || event.time < 0) throw new RangeError(`time ${event.time}`);
    const after = this.events.findIndex(({ time }) => time > event.time);
    this.events.splice(after < 0 ? this.events.length : after, 0, event);
    this.calls.push(event);
  }

  setValueAtTime(value, time) {
    this.#insert({ kind: "set", value, time });
  }

  linearRampToValueAtTime(value, time) {
    this.#insert({ kind: "ramp", value, time });
  }

  setTargetAtTime(value, time, constant) {
    if (!(constant > 0)) throw new RangeError(`constant ${constant}`);
    this.#insert({ kind: "target", value, time, constant });
  }

  cancelScheduledValues(time) {
    this.events = this.events.filter((event) => event.time < time);
    this.calls.push({ kind: "cancel", time });
  }

  at(time) {
    let value = this.initial;
    let since = 0;
    for (let i = 0; i < this.events.length && this.events[i].time <= time; i++) {
      const event = this.events[i];
      const next = this.events[i + 1];
      if (event.kind !== "target") value = event.value;
      since = event.time;
      const until = Math.min(time, next ? next.time : time);
      if (event.kind === "target") value = event.value + (value - event.value) * Math.exp(-(until - since) / event.constant);
    }
    const next = this.events.find((event) => event.time > time);
    return next?.kind === "ramp" ? value + ((next.value - value) * (time - since)) / (next.time - since) : value;
  }
}

class FakeNode {
  constructor(context) {
    this.context = context;
    this.outputs = [];
    context.nodes.push(this);
  }

  connect(node) {
    this.outputs.push(node);
    return node;
  }

  disconnect() {
    this.outputs = [];
  }
}

export class FakeGain extends FakeNode {
  constructor(context, { gain = 1 } = {}) {
    super(context);
    this.gain = new FakeParam(gain);
  }
}

export class FakeSource extends FakeNode {
  constructor(context, { buffer, playbackRate = 1, detune = 0 }) {
    super(context);
    Object.assign(this, { buffer, playbackRate: new FakeParam(playbackRate), detune: new FakeParam(detune) });
    this.ends = Infinity;
    this.onended = () => {};
  }

  start(time = 0) {
    this.started = Math.max(time, this.context.currentTime);
    this.ends = this.started + this.buffer.length / this.context.sampleRate / this.playbackRate.initial;
  }

  stop(time = 0) {
    this.ends = Math.min(this.ends, time);
  }
}

class FakeWorklet extends FakeNode {
  constructor(context, name, options) {
    super(context);
    this.name = name;
    this.options = options;
    this.port = { posted: [], onmessage: (_) => {}, postMessage: (data) => this.port.posted.push(data) };
    context.worklet = this;
  }
}

class FakeShaper extends FakeNode {
  constructor(context, { curve }) {
    super(context);
    this.curve = curve;
  }
}

class FakeAnalyser extends FakeNode {
  fftSize = 2048;
  getFloatTimeDomainData(block) {
    block.fill(0.5);
  }
}

export class FakeContext extends EventTarget {
  constructor({ worklet = true, sampleRate = 48000 } = {}) {
    super();
    Object.assign(this, { sampleRate, currentTime: 1, baseLatency: 0.01, state: "suspended", nodes: [] });
    this.destination = new FakeNode(this);
    if (worklet) this.audioWorklet = { addModule: async (url) => void (this.module = url) };
  }

  async resume() {
    this.state = "running";
    this.dispatchEvent(new Event("statechange"));
  }

  createGain() {
    return new FakeGain(this);
  }

  createBuffer(channels, length, sampleRate) {
    const data = new Array(channels);
    return { length, sampleRate, getChannelData: (c) => data[c], copyToChannel: (samples, c) => (data[c] = samples) };
  }

  /** Lets time pass: sources end when they are due. */
  to(time) {
    this.currentTime = time;
    for (const node of this.sources) {
      if (node.ends > time || node.ended) continue;
      node.ended = true;
      node.onended();
    }
  }

  get sources() {
    return this.nodes.filter((node) => node instanceof FakeSource);
  }
}

Object.assign(globalThis, {
  GainNode: FakeGain,
  AudioBufferSourceNode: FakeSource,
  AudioWorkletNode: FakeWorklet,
  WaveShaperNode: FakeShaper,
  AnalyserNode: FakeAnalyser,
});
