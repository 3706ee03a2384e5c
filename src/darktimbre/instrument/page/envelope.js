// @ts-check
/**
 * The amplitude of one note over time, as automation of one AudioParam without a step.
 *
 * A linear attack, an exponential decay towards the sustained level and an exponential release; decay and release
 * are the time of a fall by 60 dB. All is scheduled a little ahead of the audio thread (`ahead` in engine.js), and a
 * release is laid onto the curve where the curve is at that moment, whatever it cuts short.
 *
 * @typedef {{attack: number, decay: number, sustain: number, release: number}} Envelope seconds; sustain 0 to 1
 */

/** @type {Readonly<Envelope>} leaves a held note exactly as it was rendered */
export const PLAIN = Object.freeze({ attack: 0, decay: 0, sustain: 1, release: 0.2 });
export const DAMP = 0.015; // s in which a note that must make room fades
const FALL = Math.log(1000); // time constants in 60 dB
const SHORTEST = 0.01; // s; a shorter decay or release would click
const QUICK = 0.03; // s; a shorter release is a straight line: an exponential would begin with too sharp a corner
const LAST = 0.005; // s from -60 dB to nothing
const NEXT = 1e-5; // s; less than a sample

const constantOf = (/** @type {number} */ seconds) => Math.max(seconds, SHORTEST) / FALL;

/** @param {Envelope} envelope  @returns {boolean} whether a held note keeps one level from its first sample on */
export const isConstant = ({ attack, sustain }) => attack <= 0 && sustain >= 1;

export class Contour {
  /**
   * Schedules attack and decay; a constant envelope schedules nothing (the gain is made with its level).
   * @param {AudioParam} gain
   * @param {Envelope} envelope
   * @param {number} level the gain at the top of the attack
   * @param {number} start when the note begins, on the context's clock
   */
  constructor(gain, envelope, level, start) {
    this.gain = gain;
    this.envelope = envelope;
    this.level = level;
    this.start = start;
    /** @type {{at: number, from: number, end: number, straight: boolean} | null} */
    this.fall = null;
    if (isConstant(envelope)) return;
    const { attack, decay, sustain } = envelope;
    if (attack > 0) {
      gain.setValueAtTime(0, start);
      gain.linearRampToValueAtTime(level, start + attack);
    } else {
      gain.setValueAtTime(level, start);
    }
    if (sustain < 1) gain.setTargetAtTime(level * sustain, start + Math.max(0, attack), constantOf(decay));
  }

  /** @param {number} time on the context's clock  @returns {number} the gain then, up to the end of a release */
  at(time) {
    const { fall, level, start } = this;
    if (fall && time >= fall.at) {
      const done = Math.min(1, (time - fall.at) / (fall.end - fall.at));
      return fall.from * (fall.straight ? 1 - done : Math.exp(-FALL * done));
    }
    const { attack, decay, sustain } = this.envelope;
    const since = time - start;
    if (attack > 0 && since < attack) return (level * Math.max(0, since)) / attack;
    if (sustain >= 1) return level;
    return level * (sustain + (1 - sustain) * Math.exp(-(since - Math.max(0, attack)) / constantOf(decay)));
  }

  /**
   * Schedules the fall to silence; a quicker one may cut a long one short.
   *
   * The point where the fall begins is put onto the curve before what came after it is taken away, so the audio
   * thread, which may look between any two of these calls, never sees a gap.
   *
   * @param {number} at when it begins  @param {number} seconds how long the fall takes
   * @returns {number} when the note is silent
   */
  release(at, seconds) {
    const { gain, envelope, start, fall } = this;
    if (fall && (fall.straight || at >= fall.end)) return fall.end + LAST; // silent any moment
    const from = this.at(at);
    if (!fall && at < start + envelope.attack) gain.linearRampToValueAtTime(from, at);
    else gain.setValueAtTime(from, at);
    gain.cancelScheduledValues(at + NEXT);
    const straight = seconds < QUICK;
    const end = at + Math.max(seconds, SHORTEST);
    if (straight) {
      gain.linearRampToValueAtTime(0, end);
    } else {
      gain.setTargetAtTime(0, at, (end - at) / FALL);
      gain.setValueAtTime(from * Math.exp(-FALL), end);
      gain.linearRampToValueAtTime(0, end + LAST);
    }
    this.fall = { at, from, end, straight };
    return end + LAST;
  }
}
