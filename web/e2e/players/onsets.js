/** Tells the time of the audio clock at which a tone begins. */
class Onsets extends AudioWorkletProcessor {
  #silent = 1

  process([[samples]], [[output]]) {
    const first = samples?.findIndex((sample) => Math.abs(sample) > 0.1) ?? -1
    // A tone crosses 0 as well: it has begun when there was none for a tenth of a second.
    if (first >= 0 && this.#silent > 0.1) this.port.postMessage(currentTime + first / sampleRate)
    this.#silent = first >= 0 ? 0 : this.#silent + 128 / sampleRate
    if (samples) output.set(samples)
    return true
  }
}

registerProcessor('onsets', Onsets)
