import { expect, test } from 'vitest'
import { WholeUnits } from '../src/player/whole-units'

const VIDEO = 256
const SOUND = 257

interface Made {
  pid: number
  counter: number
  begins?: boolean
  entry?: boolean
  /** For the first of a unit: its whole length, 0 where it isn't said. */
  unitBytes?: number
}

/** A packet whose last byte says which it is. */
function packet(id: number, { pid, counter, begins = false, entry = false, unitBytes = 0 }: Made): Uint8Array {
  const bytes = new Uint8Array(188)
  bytes.set([0x47, (begins ? 0x40 : 0) | (pid >> 8), pid & 255, 0x30 | (counter & 15), 1, entry ? 0x40 : 0])
  if (begins) bytes.set([0, 0, 1, 0xe0, ...(unitBytes === 0 ? [0, 0] : [(unitBytes - 6) >> 8, (unitBytes - 6) & 255])], 6)
  bytes[187] = id
  return bytes
}

/** Pictures of three packets each, every fourth a key picture; the ids count the packets. */
function film(pictures: number): Uint8Array[] {
  return Array.from({ length: pictures * 3 }, (_, id) =>
    packet(id, { pid: VIDEO, counter: id, begins: id % 3 === 0, entry: id % 12 === 0 }),
  )
}

function passed(packets: readonly Uint8Array[]): number[] {
  const units = new WholeUnits()
  return packets.flatMap((bytes) => idsIn(units.next(bytes)))
}

const idsIn = (bytes: Uint8Array) => Array.from({ length: bytes.length / 188 }, (_, index) => bytes[index * 188 + 187]!)
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

test('a whole stream passes, but for the last picture, of which nobody knows whether it is whole', () => {
  expect(passed(film(10))).toEqual(range(0, 27))
})

test('however the bytes are cut, the same passes', () => {
  const all = Uint8Array.from(film(10).flatMap((bytes) => [...bytes]))
  for (const size of [1, 7, 187, 189, 1316, 5000]) {
    const units = new WholeUnits()
    const ids: number[] = []
    for (let at = 0; at < all.length; at += size) ids.push(...idsIn(units.next(all.subarray(at, at + size))))
    expect(ids).toEqual(range(0, 27))
  }
})

test('after a lost packet nothing passes until the next key picture', () => {
  const without = (lost: number) => passed(film(10).filter((_, id) => id !== lost))
  expect(without(4)).toEqual([...range(0, 3), ...range(12, 27)])
  expect(without(5)).toEqual([...range(0, 3), ...range(12, 27)])
  // Where the first packet of a picture is lost, it might as well have been the last of the one before.
  expect(without(6)).toEqual([...range(0, 3), ...range(12, 27)])
})

test('a packet that comes twice passes once', () => {
  const packets = film(4)
  packets.splice(5, 0, packets[4]!)
  expect(passed(packets)).toEqual(range(0, 9))
})

test('a stream that is joined anywhere begins with a beginning', () => {
  expect(passed(film(10).slice(2))).toEqual(range(3, 27))
})

test('sound of a known length passes as soon as it is whole', () => {
  const sound = [
    packet(0, { pid: SOUND, counter: 0, begins: true, unitBytes: 182 + 182 }),
    packet(1, { pid: SOUND, counter: 1 }),
  ]
  expect(passed(sound)).toEqual([0, 1])
})

test('where no key pictures are marked, the next unit is good enough', () => {
  const packets = range(0, 12).map((id) => packet(id, { pid: VIDEO, counter: id, begins: id % 3 === 0 }))
  expect(passed(packets.filter((_, id) => id !== 4))).toEqual([0, 1, 2, 6, 7, 8])
})
