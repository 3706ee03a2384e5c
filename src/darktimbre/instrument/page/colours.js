// @ts-check
/** The colours of a spectrogram: as loud as they are bright, also in grey and to eyes that tell red from green badly. */

// Matplotlib's "magma" (Stéfan van der Walt and Nathaniel Smith, CC0) at 17 even steps; linear between them it is
// never further off than 1 % of full scale.
const MAGMA = [
  [0, 0, 4], [10, 8, 34], [29, 17, 71], [54, 16, 107], [81, 18, 124], [106, 28, 129], [131, 38, 129], [156, 46, 127],
  [183, 55, 121], [208, 65, 111], [231, 82, 99], [245, 107, 92], [252, 137, 97], [254, 167, 114], [254, 196, 136],
  [253, 226, 163], [252, 253, 191],
];

/**
 * @param {boolean} dark whether silence is dark; else it is light, and the loudest is dark
 * @returns {Uint32Array} 256 colours as the pixels of an ImageData want them, quiet to loud
 */
export function colours(dark) {
  const bytes = new Uint8ClampedArray(4 * 256);
  for (let i = 0; i < 256; i++) {
    const at = ((dark ? i : 255 - i) / 255) * (MAGMA.length - 1);
    const low = Math.min(MAGMA.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) bytes[4 * i + c] = MAGMA[low][c] + (at - low) * (MAGMA[low + 1][c] - MAGMA[low][c]);
    bytes[4 * i + 3] = 255;
  }
  return new Uint32Array(bytes.buffer);
}
