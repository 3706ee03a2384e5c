// @ts-check
// The face of a seed: year rings like a tree's, the same for the same seed. They distinguish seeds at a glance and mean no more.

/** @param {number} seed @returns {() => number} mulberry32: 0…1, the same run for the same seed */
export function numbers(seed) {
  let state = (seed % 4294967296 ^ Math.floor(seed / 4294967296) * 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * @param {number} seed
 * @param {number} count of rings
 * @param {number} points per ring
 * @returns {Float64Array[]} radii of each ring, 0…1 at `points` even angles; a ring never crosses the next
 */
export function rings(seed, count = 16, points = 96) {
  const random = numbers(seed);
  const waves = Array.from({ length: 4 }, (_, index) => ({
    times: index + 2,
    phase: random() * 2 * Math.PI,
    depth: (0.05 * (0.3 + random())) / (index + 1),
    twist: (random() - 0.5) * 2.5,
  }));
  const widths = Array.from({ length: count }, () => 0.45 + random());
  const whole = widths.reduce((sum, width) => sum + width, 0);
  let out = 0;
  return widths.map((width) => {
    out += width / whole;
    return Float64Array.from({ length: points }, (_, place) => {
      const angle = (place / points) * 2 * Math.PI;
      let bend = 0;
      for (const { times, phase, depth, twist } of waves) bend += depth * Math.sin(times * angle + phase + twist * out);
      return out * (1 + bend);
    });
  });
}
