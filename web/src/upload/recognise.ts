import { answer, api, type Upload } from '../api/client'
import { partSize, type PartPlan } from './part-plan'

/** Pages of a publisher's uploads that are looked through, newest first. Those that wait are among the newest: older ones expire. */
const PAGES = 10

export interface Recognising {
  file: File
  /** The upload that the file was chosen for; without one, all that wait are looked at. */
  chosenFor: Upload | undefined
  /** Uploads that this page is busy with already. */
  isTaken(uploadId: string): boolean
  /** SHA-256 of a part of the file, in base64. */
  digestOf(plan: PartPlan, number: number): Promise<string>
  /** Repeats a request while it may succeed later. */
  request<Result>(attempt: () => Promise<Result>): Promise<Result>
  signal: AbortSignal
}

export interface Recognised {
  /** The upload to go on with. All its parts that have arrived are this file's. */
  upload?: Upload
  /** An upload that began with something like this file, and the first part in which they differ. */
  other?: { upload: Upload; part: number }
}

/**
 * Finds the upload that a file was being sent in, on whatever device: by its size and the digests of the parts that have arrived. Of several,
 * the newest. One of which nothing has arrived is gone on with if its file is called the same.
 */
export async function recognise(recognising: Recognising): Promise<Recognised> {
  const { file, chosenFor, isTaken, request, signal } = recognising
  let nothingArrived: Upload | undefined
  let other: Recognised['other']
  for await (const listed of chosenFor ? [chosenFor] : waiting(recognising)) {
    if (listed.size_bytes !== file.size || listed.checksum !== 'sha256' || (!chosenFor && isTaken(listed.id))) continue
    const upload = await request(() =>
      answer(api.GET('/uploads/{id}', { params: { path: { id: listed.id } }, signal })),
    )
    // Completed or expired since it was listed: whoever chose it sees that, and nobody else needs to.
    if (upload.state !== 'waiting') {
      if (chosenFor) return { upload }
      continue
    }
    const { differing, equal } = await compare(upload, recognising)
    if (differing !== undefined) {
      if (chosenFor || equal > 0 || upload.file_name === file.name) other ??= { upload, part: differing }
    } else if (equal > 0 || chosenFor) return { upload }
    else if (upload.file_name === file.name) nothingArrived ??= upload
  }
  return { ...(nothingArrived ? { upload: nothingArrived } : {}), ...(other ? { other } : {}) }
}

async function* waiting({ request, signal }: Recognising): AsyncGenerator<Upload> {
  let cursor: string | undefined
  for (let page = 0; page < PAGES; page += 1) {
    const query = { limit: 100, ...(cursor ? { cursor } : {}) }
    const { items, next_cursor: next } = await request(() =>
      answer(api.GET('/uploads', { params: { query }, signal })),
    )
    yield* items.filter((upload) => upload.state === 'waiting')
    if (!next) return
    cursor = next
  }
}

/** How many of the parts that have arrived are this file's, up to the first that isn't. */
async function compare(
  upload: Upload,
  { digestOf, signal }: Recognising,
): Promise<{ equal: number; differing: number | undefined }> {
  let equal = 0
  for (const { number, size_bytes: size, sha256 } of upload.parts ?? []) {
    // Without a digest there is nothing to recognise it by, and one of another size is sent again anyway.
    if (!sha256 || size !== partSize(upload, number)) continue
    if ((await digestOf(upload, number)) !== sha256) return { equal, differing: number }
    signal.throwIfAborted()
    equal += 1
  }
  return { equal, differing: undefined }
}
