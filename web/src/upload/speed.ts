const WINDOW_MS = 12_000

/** Bytes per second over the last seconds, from a count that only its owner knows. */
export class Speed {
  readonly #samples: { atMs: number; bytes: number }[] = []

  /** Notes how many bytes have left by now. */
  note(bytes: number, nowMs: number): void {
    const last = this.#samples.at(-1)
    // A part that starts over takes bytes back: what was measured before it no longer tells anything.
    if (last && bytes < last.bytes) this.#samples.length = 0
    this.#samples.push({ atMs: nowMs, bytes })
    while (this.#samples.length > 2 && nowMs - (this.#samples[0]?.atMs ?? nowMs) > WINDOW_MS) this.#samples.shift()
  }

  /** Undefined until there is a second of measuring to go by. */
  get bytesPerSecond(): number | undefined {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (!first || !last || last.atMs - first.atMs < 1000) return undefined
    return ((last.bytes - first.bytes) / (last.atMs - first.atMs)) * 1000
  }

  forget(): void {
    this.#samples.length = 0
  }
}
