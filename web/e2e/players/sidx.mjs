/** Where the tracks of a packaged film begin and end, by the index in each file. */
import { open, readdir } from 'node:fs/promises'
import path from 'node:path'

export async function tracksOf(folder) {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.mp4')).sort()
  return Promise.all(files.map(async (name) => ({ kind: name.startsWith('video') ? 'video' : 'audio', ...(await timesOf(path.join(folder, name))) })))
}

/** Seconds of presentation. The index stands before the media, and holds times of 64 bits. */
async function timesOf(file) {
  const handle = await open(file)
  const { buffer } = await handle.read({ buffer: Buffer.alloc(256 * 1024) })
  await handle.close()
  const at = buffer.indexOf('sidx') + 4
  const timescale = buffer.readUInt32BE(at + 8)
  const start = Number(buffer.readBigUInt64BE(at + 12))
  const segments = buffer.readUInt16BE(at + 30)
  let end = start
  for (let index = 0; index < segments; index++) end += buffer.readUInt32BE(at + 36 + 12 * index)
  return { start: start / timescale, end: end / timescale }
}
