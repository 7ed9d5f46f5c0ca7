import { createHash, createHmac } from 'node:crypto'
import { vi } from 'vitest'

const PART_SIZE_BYTES = 1000
const NONCE = Buffer.alloc(32, 7)
/** The places that are asked for. */
const RANGES = [
  { start: 0, length: 10 },
  { start: 1234, length: 5 },
  { start: 1236, length: 10 },
]

interface StoredUpload {
  id: string
  name: string
  file_name: string
  size_bytes: number
  state: string
  parts: Map<number, Buffer>
}

/**
 * The network as an upload sees it: the API behind `fetch`, S3 behind `XMLHttpRequest`, and the checksum worker. Only the network is made up;
 * sessions, hashing, signing and sending are the pages' own code. Parts have 1,000 bytes here.
 */
export class FakeUploadServer {
  readonly uploads = new Map<string, StoredUpload>()
  /** Part numbers of each signing request, in order. */
  readonly signings: number[][] = []
  /** Part numbers that arrived at S3, in order, refused ones too. */
  readonly puts: number[] = []
  creations = 0
  underWay = 0
  mostUnderWay = 0
  /** Answers to come for parts, before S3 looks at them: a status with an error code, or 0 for a broken connection. */
  readonly refusals = new Map<number, { status: number; code: string }[]>()
  /** After so many parts, S3 answers no more: the connections hang. */
  hangAfter = Infinity
  /** Uploads that take no parts any more. */
  readonly gone = new Set<string>()
  readonly #keys = new Map<string, string>()
  /** The creation's answer is lost this often, although the upload was made. */
  lostCreations = 0
  /** A file that somebody else has sent before. */
  stored: Buffer | undefined
  /** Digests that were asked about, in order. */
  readonly challenges: string[] = []
  /** Whether proofs are answered at all. */
  answersProofs = true

  install(): void {
    const s3 = this
    vi.stubGlobal('location', { origin: 'https://films.example', pathname: '/' })
    vi.stubGlobal('navigator', { onLine: true })
    vi.stubGlobal('window', new EventTarget())
    vi.stubGlobal('BroadcastChannel', undefined)
    vi.stubGlobal('fetch', this.fetch)
    vi.stubGlobal(
      'Worker',
      class {
        onmessage?: (event: { data: unknown }) => void
        async postMessage({ id, part }: { id: number; part: Blob }): Promise<void> {
          const sha256 = sha256Of(Buffer.from(await part.arrayBuffer()))
          this.onmessage?.({ data: { id, sha256 } })
        }
      },
    )
    vi.stubGlobal(
      'XMLHttpRequest',
      class {
        readonly upload: { onprogress?: (event: { loaded: number }) => void } = {}
        status = 0
        responseText = ''
        onload?: () => void
        onerror?: () => void
        onabort?: () => void
        #url = ''
        #headers: Record<string, string> = {}
        #aborted = false
        open(_method: string, url: string): void {
          this.#url = url
        }
        setRequestHeader(name: string, value: string): void {
          this.#headers[name] = value
        }
        abort(): void {
          this.#aborted = true
          this.onabort?.()
        }
        async send(body: Blob): Promise<void> {
          const bytes = Buffer.from(await body.arrayBuffer())
          const answer = await s3.put(new URL(this.#url), this.#headers, bytes)
          if (this.#aborted) return
          if (answer.status === 0) {
            this.onerror?.()
            return
          }
          this.status = answer.status
          this.responseText = `<Error><Code>${answer.code}</Code></Error>`
          this.upload.onprogress?.({ loaded: bytes.length })
          this.onload?.()
        }
      },
    )
  }

  async put(url: URL, headers: Record<string, string>, bytes: Buffer): Promise<{ status: number; code: string }> {
    const [, id = '', numberText = ''] = url.pathname.split('/')
    const number = Number(numberText)
    this.puts.push(number)
    this.underWay += 1
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay)
    if (this.puts.length > this.hangAfter) await new Promise(() => undefined)
    await new Promise((go) => setTimeout(go))
    this.underWay -= 1
    const refusal = this.refusals.get(number)?.shift()
    if (refusal) return refusal
    if (headers['x-amz-checksum-sha256'] !== sha256Of(bytes)) return { status: 400, code: 'BadDigest' }
    const upload = this.uploads.get(id)
    if (!upload || this.gone.has(id)) return { status: 404, code: 'NoSuchUpload' }
    upload.parts.set(number, bytes)
    return { status: 200, code: '' }
  }

  readonly fetch = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url)
    if (pathname === '/api/session/refresh') return Response.json({ access_token: 't', expires_in_seconds: 300 })
    const [, , , id = '', action = ''] = pathname.split('/')
    if (id === '' && request.method === 'GET') {
      const items = [...this.uploads.values()].reverse().map((upload) => ({ ...told(upload), parts: undefined }))
      return Response.json({ items })
    }
    if (id === '') return this.#create(request)
    const upload = this.uploads.get(id)
    if (!upload) return Response.json({ detail: 'There is no such upload.' }, { status: 404 })
    if (action === 'parts') return this.#sign(upload, await request.json())
    if (action === 'challenge') {
      this.challenges.push(((await request.json()) as { digest: string }).digest)
      return Response.json({ nonce: NONCE.toString('base64'), ranges: RANGES, expires_at: '2100-01-01T00:00:00.000Z' })
    }
    if (action === 'proof') {
      if (!this.answersProofs) await new Promise(() => undefined)
      const { hmac } = (await request.json()) as { hmac: string }
      const stored = this.stored
      const isKnown = stored && this.challenges.at(-1) === digestOf(stored) && hmac === hmacOf(stored)
      if (!isKnown) return Response.json({ type: 'urn:matinee:problem:not-proved', detail: 'No.' }, { status: 409 })
      upload.state = 'ready'
      // Its parts go before the page hears of it.
      this.uploads.set(id, { ...upload, parts: new Map() })
      this.gone.add(id)
      return Response.json(told(upload))
    }
    if (action === 'complete') {
      if (upload.parts.size < countOf(upload)) return Response.json({ detail: 'Parts are missing.' }, { status: 409 })
      upload.state = 'uploaded'
      return Response.json(told(upload))
    }
    if (request.method === 'DELETE') {
      this.uploads.delete(id)
      return new Response(null, { status: 204 })
    }
    if (upload.state === 'uploaded') upload.state = 'ready'
    return Response.json(told(upload))
  }

  async #create(request: Request): Promise<Response> {
    const wanted = (await request.json()) as { name: string; file_name: string; size_bytes: number }
    const key = request.headers.get('idempotency-key') ?? ''
    const id = this.#keys.get(key) ?? `upload-${this.uploads.size + 1}`
    if (!this.#keys.has(key)) {
      this.#keys.set(key, id)
      this.creations += 1
      this.uploads.set(id, { id, ...wanted, state: 'waiting', parts: new Map() })
    }
    if (this.lostCreations > 0) {
      this.lostCreations -= 1
      throw new TypeError('fetch failed')
    }
    return Response.json(told(this.uploads.get(id) as StoredUpload), { status: 201 })
  }

  #sign(upload: StoredUpload, { parts }: { parts: { number: number; sha256: string }[] }): Response {
    this.signings.push(parts.map((part) => part.number))
    return Response.json({
      expires_at: new Date(Date.now() + 900_000).toISOString(),
      parts: parts.map(({ number, sha256 }) => ({
        number,
        url: `https://s3.example/${upload.id}/${number}`,
        headers: { 'x-amz-checksum-sha256': sha256 },
        size_bytes: Math.min(PART_SIZE_BYTES, upload.size_bytes - (number - 1) * PART_SIZE_BYTES),
      })),
    })
  }
}

function countOf(upload: StoredUpload): number {
  return Math.ceil(upload.size_bytes / PART_SIZE_BYTES)
}

function told(upload: StoredUpload): object {
  const { parts, ...rest } = upload
  return {
    ...rest,
    checksum: 'sha256',
    part_size_bytes: PART_SIZE_BYTES,
    part_count: countOf(upload),
    parts: [...parts].map(([number, bytes]) => ({ number, size_bytes: bytes.length, sha256: sha256Of(bytes) })),
  }
}

function digestOf(file: Buffer): string {
  const parts = Array.from({ length: Math.ceil(file.length / PART_SIZE_BYTES) }, (_, index) =>
    createHash('sha256').update(file.subarray(index * PART_SIZE_BYTES, (index + 1) * PART_SIZE_BYTES)).digest(),
  )
  return `${sha256Of(Buffer.concat(parts))}-${parts.length}`
}

function hmacOf(file: Buffer): string {
  const shown = RANGES.map(({ start, length }) => file.subarray(start, start + length))
  return createHmac('sha256', NONCE).update(Buffer.concat(shown)).digest('base64')
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64')
}
