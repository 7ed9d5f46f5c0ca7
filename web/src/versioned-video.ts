import { answered, api, type Video } from './api/client'

/** A video as it was read or saved, with the version that an edit of it names. */
export interface VersionedVideo {
  video: Video
  /** The `ETag` of the answer, for `If-Match`. */
  etag: string
}

export async function readVideo(id: string, signal?: AbortSignal): Promise<VersionedVideo> {
  return versioned(await answered(api.GET('/videos/{id}', { params: { path: { id } }, ...(signal ? { signal } : {}) })))
}

/** Saves over the version `etag`. Rejects with a 412 `Problem` when there is a newer one. */
export async function saveVideo(
  { video, etag }: VersionedVideo,
  edit: { title: string; description: string },
): Promise<VersionedVideo> {
  return versioned(
    await answered(
      api.PATCH('/videos/{id}', {
        params: { path: { id: video.id }, header: { 'if-match': etag } },
        body: edit,
      }),
    ),
  )
}

function versioned({ data, response }: { data: Video; response: Response }): VersionedVideo {
  return { video: data, etag: response.headers.get('etag') ?? '' }
}
