import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Upload } from '../src/api/client'
import type { Transfer as TransferClass, TransferSource } from '../src/upload/transfer'
import { FakeUploadServer } from './fake-upload-server'

let server: FakeUploadServer
let begin: (source: TransferSource) => TransferClass

beforeEach(async () => {
  server = new FakeUploadServer()
  server.install()
  vi.resetModules()
  const { Transfer } = await import('../src/upload/transfer')
  const { PartHasher } = await import('../src/upload/part-hasher')
  begin = (source) => new Transfer(source, new PartHasher())
})

afterEach(() => vi.unstubAllGlobals())

function fileOf(sizeBytes: number): File {
  return new File([randomBytes(sizeBytes)], 'film.mp4', { type: 'video/mp4' })
}

function newUpload(file: File): TransferClass {
  return begin({ file, name: 'Film', description: '' })
}

async function told(id: string): Promise<Upload> {
  return (await (await server.fetch(new Request(`https://films.example/api/uploads/${id}`))).json()) as Upload
}

async function stored(id: string): Promise<Buffer> {
  const parts = [...(server.uploads.get(id)?.parts ?? [])].sort(([a], [b]) => a - b)
  return Buffer.concat(parts.map(([, bytes]) => bytes))
}

const bytesOf = async (file: File) => Buffer.from(await file.arrayBuffer())

test('a file arrives whole, in parallel and signed in batches', async () => {
  const file = fileOf(49_500)
  const transfer = newUpload(file)
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(await stored('upload-1')).toEqual(await bytesOf(file))
  expect([...server.puts].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1))
  expect(server.mostUnderWay).toBe(4)
  expect(server.signings[0]).toEqual([1, 2, 3, 4])
  expect(server.signings.length).toBeLessThanOrEqual(6)
})

test('a file of one byte has one part', async () => {
  const transfer = newUpload(fileOf(1))
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(server.puts).toEqual([1])
})

test('after sending, the state is followed until it is final', async () => {
  const transfer = newUpload(fileOf(10))
  await transfer.start()
  await expect.poll(() => transfer.upload?.state).toBe('ready')
})

test('an expired signature is renewed, and the part sent again', async () => {
  server.refusals.set(2, [{ status: 403, code: 'AccessDenied' }])
  const transfer = newUpload(fileOf(3000))
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(server.signings).toEqual([[1, 2, 3], [2]])
  expect(server.puts.filter((number) => number === 2)).toHaveLength(2)
})

test('a part damaged on the way is hashed and sent again', async () => {
  server.refusals.set(1, [{ status: 400, code: 'BadDigest' }])
  const transfer = newUpload(fileOf(1000))
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(server.puts).toEqual([1, 1])
})

test('a broken connection and a busy S3 are got over without signing anew', async () => {
  server.refusals.set(1, [
    { status: 0, code: '' },
    { status: 503, code: 'SlowDown' },
  ])
  const transfer = newUpload(fileOf(2000))
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(server.puts.filter((number) => number === 1)).toHaveLength(3)
  expect(server.signings).toHaveLength(1)
})

test('a part that is refused for good fails the upload with a sentence, and trying again finishes it', async () => {
  server.refusals.set(2, Array.from({ length: 4 }, () => ({ status: 403, code: 'AccessDenied' })))
  const transfer = newUpload(fileOf(3000))
  await transfer.start()
  expect(transfer.phase).toBe('failed')
  expect(transfer.error).toContain('AccessDenied')
  await transfer.start()
  expect(transfer.phase).toBe('sent')
})

test('an upload whose creation was not heard of is made once', async () => {
  server.lostCreations = 2
  const transfer = newUpload(fileOf(10))
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(server.creations).toBe(1)
})

test('while paused nothing is sent, and resuming sends only what is missing', async () => {
  server.hangAfter = 4
  const file = fileOf(20_000)
  const transfer = newUpload(file)
  const started = transfer.start()
  await expect.poll(() => server.underWay).toBe(4)
  transfer.pause()
  await started
  expect(transfer.phase).toBe('paused')
  expect(server.uploads.get('upload-1')?.parts.size).toBe(4)
  const arrived = new Set(server.uploads.get('upload-1')?.parts.keys())
  const sentBefore = server.puts.length
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(server.puts).toHaveLength(sentBefore)

  // What was under way is lost with its connection.
  server.puts.length = 0
  server.hangAfter = Infinity
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(server.puts.filter((number) => arrived.has(number))).toEqual([])
  expect(await stored('upload-1')).toEqual(await bytesOf(file))
})

test('the same file chosen again sends only the missing parts', async () => {
  const file = fileOf(5000)
  await newUpload(file).start()
  const upload = server.uploads.get('upload-1')
  upload?.parts.delete(3)
  if (upload) upload.state = 'waiting'
  server.puts.length = 0
  const transfer = begin({ file, resumed: await told('upload-1') })
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(server.puts).toEqual([3])
})

/** Leaves an upload behind as a closed browser does: these parts of the file have arrived. */
async function leave(file: File, numbers: number[]): Promise<string> {
  const transfer = newUpload(file)
  await transfer.start()
  const upload = server.uploads.get(transfer.upload?.id ?? '')
  if (!upload) throw new Error('there is no upload')
  for (const number of [...upload.parts.keys()]) if (!numbers.includes(number)) upload.parts.delete(number)
  upload.state = 'waiting'
  server.puts.length = 0
  return upload.id
}

test('another device that is given the same file goes on by itself', async () => {
  const file = fileOf(5000)
  const id = await leave(file, [1, 2, 4])
  const transfer = begin({ file: new File([file], 'another name.mp4'), name: 'Another title', description: '' })
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(transfer.upload?.id).toBe(id)
  expect(server.puts).toEqual([3, 5])
  expect(transfer.note).toBeUndefined()
  expect(await stored(id)).toEqual(await bytesOf(file))
})

test('of two uploads of the same file the newer one is gone on with', async () => {
  const file = fileOf(5000)
  const older = await leave(file, [1, 2, 3])
  // Held by the other device until now, so that this one begins anew.
  const held = server.uploads.get(older)
  if (held) held.state = 'ready'
  const newer = await leave(file, [4])
  if (held) held.state = 'waiting'
  const transfer = newUpload(file)
  await transfer.start()
  expect(transfer.upload?.id).toBe(newer)
  expect(server.puts).toEqual([1, 2, 3, 5])
})

test('a file that differs in one byte of a part that has arrived is a new upload, and says so', async () => {
  const file = fileOf(5000)
  const id = await leave(file, [1, 2, 4])
  const bytes = await bytesOf(file)
  bytes[3500] = (bytes[3500] ?? 0) ^ 1
  for (const source of [{ name: 'Film', description: '' }, { resumed: await told(id) }]) {
    server.puts.length = 0
    const changed = new File([bytes], 'film.mp4')
    const transfer = begin({ file: changed, ...source })
    await transfer.start()
    expect(transfer.phase).toBe('sent')
    expect(transfer.upload?.id).not.toBe(id)
    expect(transfer.note).toContain('part 4 differs')
    expect([...server.puts].sort()).toEqual([1, 2, 3, 4, 5])
    expect(await stored(transfer.upload?.id ?? '')).toEqual(bytes)
  }
  expect([...(server.uploads.get(id)?.parts.keys() ?? [])]).toEqual([1, 2, 4])
})

test('another film of the same size is a new upload, and nothing need be said', async () => {
  const id = await leave(fileOf(5000), [1, 2, 4])
  const transfer = begin({ file: new File([randomBytes(5000)], 'other.mp4'), name: 'Other', description: '' })
  await transfer.start()
  expect(transfer.upload?.id).not.toBe(id)
  expect(transfer.note).toBeUndefined()
})

test('what another transfer of the page is busy with is not gone on with', async () => {
  const file = fileOf(5000)
  const id = await leave(file, [1])
  const { Transfer } = await import('../src/upload/transfer')
  const { PartHasher } = await import('../src/upload/part-hasher')
  const transfer = new Transfer({ file, name: 'Film', description: '' }, new PartHasher(), (taken) => taken === id)
  await transfer.start()
  expect(transfer.upload?.id).not.toBe(id)
})

test('a part that S3 has lost when completing is sent again', async () => {
  const file = fileOf(3000)
  const transfer = newUpload(file)
  let lost = false
  transfer.addEventListener('changed', () => {
    if (transfer.phase !== 'completing' || lost) return
    lost = true
    server.uploads.get('upload-1')?.parts.delete(2)
  })
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(await stored('upload-1')).toEqual(await bytesOf(file))
})

test('cancelling stops and throws away what has arrived', async () => {
  const transfer = newUpload(fileOf(20_000))
  const started = transfer.start()
  await expect.poll(() => server.puts.length).toBeGreaterThan(3)
  await transfer.cancel()
  await started
  expect(transfer.phase).toBe('cancelled')
  expect(server.uploads.size).toBe(0)
})

test('a file that is stored already is sent no further once the page has shown that it has it', async () => {
  const file = fileOf(50_000)
  server.stored = await bytesOf(file)
  // A line so slow that no part arrives.
  server.hangAfter = 0
  const transfer = newUpload(file)
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(transfer.upload?.state).toBe('ready')
  expect(transfer.note).toContain('already')
  expect(server.puts.length).toBeLessThanOrEqual(4)
  expect(server.challenges).toHaveLength(1)
})

test('a file that differs from a stored one in what is asked for is sent', async () => {
  const file = fileOf(20_000)
  const other = await bytesOf(file)
  other.writeUInt8(other.readUInt8(1240) ^ 1, 1240)
  server.stored = other
  const transfer = newUpload(file)
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(await stored('upload-1')).toEqual(await bytesOf(file))
})

test('nothing waits for the answer to what the page has shown', async () => {
  const file = fileOf(20_000)
  server.stored = await bytesOf(file)
  server.answersProofs = false
  const transfer = newUpload(file)
  await transfer.start()
  expect(transfer.phase).toBe('sent')
  expect(await stored('upload-1')).toEqual(await bytesOf(file))
})

test('a file of one part is just sent', async () => {
  const file = fileOf(1000)
  server.stored = await bytesOf(file)
  await newUpload(file).start()
  expect(server.puts).toEqual([1])
  expect(server.challenges).toEqual([])
})
