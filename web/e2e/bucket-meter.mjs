/**
 * Stands between whoever uploads and the bucket as an HTTP proxy: counts the bytes of each part that go to the bucket, and can stop everything at
 * a certain byte, as a power cut does. Requests for anything else pass.
 */
import http from 'node:http'

export class BucketMeter {
  /** Each time that a part was sent: its number, its bytes that went to the bucket, and whether the bucket has confirmed it. */
  sendings = []
  #sockets = new Set()
  #left = Infinity
  #onCut = () => undefined
  #isCut = false
  #holdsParts = false
  /** Where parts went: the bucket's origin, and the objects' paths there. */
  #origin = ''
  #paths = new Set()
  #server = http.createServer((request, response) => this.#forward(request, response))

  static async start() {
    const meter = new BucketMeter()
    meter.#server.on('connection', (socket) => {
      meter.#sockets.add(socket)
      socket.on('close', () => meter.#sockets.delete(socket))
    })
    await new Promise((resolve) => meter.#server.listen(0, '127.0.0.1', resolve))
    return meter
  }

  /** The proxy's address. */
  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`
  }

  get sentBytes() {
    return this.sendings.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** The bytes of the same parts as the local AWS has counted them, whole or cut off; undefined of a bucket elsewhere, which tells nobody. */
  async arrivedBytes() {
    const answer = await fetch(`${this.#origin}/_matinee/received-parts`)
    if (!answer.ok) return undefined
    const arrived = await answer.json()
    return [...this.#paths].reduce((sum, path) => sum + (arrived[path] ?? 0), 0)
  }

  /** Resolves when so many more bytes of parts have gone to the bucket. From then on nothing passes, until `restore`. */
  cutAfter(bytes) {
    this.#left = bytes
    return new Promise((resolve) => (this.#onCut = resolve))
  }

  /** From now on no part passes, and nobody is told; everything else does. */
  holdParts() {
    this.#holdsParts = true
  }

  restore() {
    this.#isCut = false
    this.#left = Infinity
    for (const socket of this.#sockets) socket.destroy()
  }

  close() {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #forward(request, response) {
    if (this.#isCut) return
    const { origin, pathname, searchParams } = new URL(request.url)
    const number = request.method === 'PUT' ? Number(searchParams.get('partNumber')) : 0
    const sending = number ? { number, bytes: 0, confirmed: false } : undefined
    if (sending) this.sendings.push(sending)
    if (sending && this.#holdsParts) return
    if (sending) {
      this.#origin = origin
      this.#paths.add(pathname)
    }
    const { method, headers } = request
    // A connection of its own: one that is kept may be closed by the bucket at the moment that it is used again, and the part is sent twice.
    const onward = http.request(request.url, { method, headers, agent: false }, (answer) => {
      if (sending && answer.statusCode === 200) sending.confirmed = true
      if (this.#isCut) return
      response.writeHead(answer.statusCode, answer.headers)
      response.flushHeaders()
      answer.on('error', () => response.destroy())
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    request.on('data', (bytes) => {
      if (this.#isCut) return
      const passing = sending ? bytes.subarray(0, this.#left) : bytes
      onward.write(passing)
      if (!sending) return
      sending.bytes += passing.length
      this.#left -= passing.length
      if (this.#left > 0) return
      this.#isCut = true
      this.#onCut()
    })
    request.on('end', () => this.#isCut || onward.end())
  }
}
