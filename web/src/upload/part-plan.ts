/** How a file is cut; the server decides it when the upload is created. */
export interface PartPlan {
  size_bytes: number
  part_size_bytes: number
  part_count: number
}

/** The bytes of one part, numbered from 1: `[start, end)`. Every part but the last has `part_size_bytes`. */
export function partRange(plan: PartPlan, number: number): { start: number; end: number } {
  if (number < 1 || number > plan.part_count) throw new RangeError(`There is no part ${number} of ${plan.part_count}.`)
  const start = (number - 1) * plan.part_size_bytes
  return { start, end: Math.min(start + plan.part_size_bytes, plan.size_bytes) }
}

export function partSize(plan: PartPlan, number: number): number {
  const { start, end } = partRange(plan, number)
  return end - start
}

/** One part of the file as a view on the disk; nothing is read until it is hashed or sent. */
export function partOf(file: Blob, plan: PartPlan, number: number): Blob {
  const { start, end } = partRange(plan, number)
  return file.slice(start, end)
}

/** The numbers of all parts, in order. */
export function allParts(plan: PartPlan): number[] {
  return Array.from({ length: plan.part_count }, (_, index) => index + 1)
}
