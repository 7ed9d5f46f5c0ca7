const PACKET_BYTES = 188
const SYNC = 0x47
const NULL_PID = 0x1fff

/** A packet of a transport stream (ISO/IEC 13818-1, 2.4.3). */
interface Packet {
  bytes: Uint8Array
  pid: number
  /** A unit (a picture, some sound, a table) begins here. */
  begins: boolean
  payload: Uint8Array
  counter: number
  /** Decoding can begin here. */
  isEntry: boolean
  isFaulty: boolean
}

interface Program {
  counter: number | undefined
  /** Packets of the unit that isn't whole yet. */
  held: Uint8Array[]
  /** How much of the unit is missing, in bytes; undefined where it ends with the beginning of the next. */
  missing: number | undefined
  isDamaged: boolean
  hasEntries: boolean
}

/**
 * Lets the whole units of a transport stream through, and after a loss nothing until decoding can begin again. Browsers' decoders give up for
 * good at a picture with a hole in it, while over a picture that is not there at all the one before just stays a little longer.
 */
export class WholeUnits {
  #rest = new Uint8Array(0)
  readonly #programs = new Map<number, Program>()

  /** The packets that are known to be good with these bytes. */
  next(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const all = joined([this.#rest, bytes])
    const good: Uint8Array[] = []
    let at = 0
    while (all.length - at >= PACKET_BYTES) {
      if (all[at] !== SYNC) {
        at += 1
        continue
      }
      this.#take(packetOf(all.subarray(at, at + PACKET_BYTES)), good)
      at += PACKET_BYTES
    }
    this.#rest = all.slice(at)
    return joined(good)
  }

  #take(packet: Packet, good: Uint8Array[]): void {
    if (packet.pid === NULL_PID) return
    const program = this.#program(packet.pid)
    if (packet.payload.length === 0) {
      if (!packet.isFaulty) good.push(packet.bytes)
      return
    }
    const { counter } = program
    // A packet may be repeated once, as it is.
    if (counter === packet.counter) return
    const isGap = packet.isFaulty || (counter !== undefined && packet.counter !== ((counter + 1) & 15))
    program.counter = packet.counter
    program.hasEntries ||= packet.isEntry
    if (isGap) {
      program.held = []
      program.isDamaged = true
    }
    if (packet.begins) {
      // What ends only with the beginning of the next is whole now.
      if (program.missing === undefined) good.push(...program.held)
      program.held = []
      if (program.isDamaged && !packet.isFaulty) program.isDamaged = program.hasEntries && !packet.isEntry
      program.missing = unitBytes(packet.payload)
    }
    if (program.isDamaged) return
    program.held.push(packet.bytes)
    if (program.missing === undefined) return
    program.missing -= packet.payload.length
    if (program.missing <= 0) good.push(...program.held.splice(0))
  }

  #program(pid: number): Program {
    let program = this.#programs.get(pid)
    if (!program) {
      program = { counter: undefined, held: [], missing: undefined, isDamaged: true, hasEntries: false }
      this.#programs.set(pid, program)
    }
    return program
  }
}

function packetOf(bytes: Uint8Array): Packet {
  const [, high = 0, low = 0, control = 0, adaptationBytes = 0, adaptation = 0] = bytes
  const hasAdaptation = (control & 0x20) !== 0
  const begin = hasAdaptation ? 5 + adaptationBytes : 4
  return {
    bytes,
    pid: ((high & 0x1f) << 8) | low,
    begins: (high & 0x40) !== 0,
    payload: (control & 0x10) !== 0 ? bytes.subarray(begin) : bytes.subarray(PACKET_BYTES),
    counter: control & 0x0f,
    isEntry: hasAdaptation && adaptationBytes > 0 && (adaptation & 0x40) !== 0,
    isFaulty: (high & 0x80) !== 0,
  }
}

/** The length of the unit that begins with this payload: a PES packet's, if it says so. Of tables each packet is passed on as it comes. */
function unitBytes(payload: Uint8Array): number | undefined {
  const isPes = payload[0] === 0 && payload[1] === 0 && payload[2] === 1
  if (!isPes) return 0
  const length = ((payload[4] ?? 0) << 8) | (payload[5] ?? 0)
  return length === 0 ? undefined : 6 + length
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
