import { expect, test } from 'vitest'
import { allParts, partOf, partRange, partSize } from '../src/upload/part-plan'

const MIB = 1024 * 1024

test.each([
  { size_bytes: 1, part_size_bytes: 8 * MIB, part_count: 1 },
  { size_bytes: 8 * MIB, part_size_bytes: 8 * MIB, part_count: 1 },
  { size_bytes: 8 * MIB + 1, part_size_bytes: 8 * MIB, part_count: 2 },
  { size_bytes: 50_063_776, part_size_bytes: 8 * MIB, part_count: 6 },
  // Far beyond 32 bits: nothing may wrap around.
  { size_bytes: 5 * 1024 ** 4, part_size_bytes: 1024 * MIB, part_count: 5120 },
])('the parts of $size_bytes bytes cover the file once, without a gap', (plan) => {
  let end = 0
  for (const number of allParts(plan)) {
    const range = partRange(plan, number)
    expect(range.start).toBe(end)
    expect(range.end).toBeGreaterThan(range.start)
    end = range.end
  }
  expect(end).toBe(plan.size_bytes)
  expect(partSize(plan, plan.part_count)).toBeLessThanOrEqual(plan.part_size_bytes)
})

test('a part holds the bytes of its range', async () => {
  const plan = { size_bytes: 10, part_size_bytes: 4, part_count: 3 }
  const file = new Blob(['0123456789'])
  expect(await partOf(file, plan, 1).text()).toBe('0123')
  expect(await partOf(file, plan, 3).text()).toBe('89')
})

test('there is no part before the first or after the last', () => {
  const plan = { size_bytes: 10, part_size_bytes: 4, part_count: 3 }
  expect(() => partRange(plan, 0)).toThrow(RangeError)
  expect(() => partRange(plan, 4)).toThrow(RangeError)
})
