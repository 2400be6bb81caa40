/**
 * Cubes of spectra as the report embeds them, unpacked on demand.
 *
 * A packed cube is { shape: [bands, rows, columns], offset: [...], step: [...], data: base64 }. The
 * data are deflated bytes: of unsigned 16-bit numbers first all low bytes, then all high bytes. A
 * number is the difference from the same pixel of the band before, modulo 65536. Numbers are
 * steps above the offset of their band; 65535 means no data.
 */

const NO_DATA = 65535;

export class Cube {
  constructor(packed, numbers) {
    [this.bands, this.rows, this.columns] = packed.shape;
    this.offset = packed.offset;
    this.step = packed.step;
    this.numbers = numbers;
  }

  /** Return the values of all bands of a pixel; NaN where there is no data. */
  spectrum(row, column) {
    return this.offset.map((_, band) => this.value(band, row, column));
  }

  value(band, row, column) {
    const number = this.numbers[(band * this.rows + row) * this.columns + column];
    return number === NO_DATA ? NaN : this.offset[band] + number * this.step[band];
  }
}

/** Return the cube of what Python packed (report/page/packing.py). */
export async function unpackCube(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const unpacked = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = unpacked.length / 2;
  const plane = packed.shape[1] * packed.shape[2];
  const numbers = new Uint16Array(count);
  for (let index = 0; index < count; index += 1) {
    const before = index < plane ? 0 : numbers[index - plane];
    numbers[index] = before + unpacked[index] + 256 * unpacked[count + index];
  }
  return new Cube(packed, numbers);
}
