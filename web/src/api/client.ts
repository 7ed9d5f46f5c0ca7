import createClient from 'openapi-fetch'
import { send, session } from '../session'
import { Problem } from './problem'
import type { operations, paths } from './schema.gen'

/** The API, typed by the checked-in OpenAPI document. Each request carries the session's token. */
export const api = createClient<paths>({ baseUrl: `${location.origin}/api`, fetch: session.fetch })

/** The same API for what needs no session. */
export const publicApi = createClient<paths>({ baseUrl: `${location.origin}/api`, fetch: send })

export type Upload = operations['get_upload']['responses'][200]['content']['application/json']
export type Quota = operations['get_quota']['responses'][200]['content']['application/json']
export type UploadState = Upload['state']
export type Video = operations['get_video']['responses'][200]['content']['application/json']
export type Playback = operations['start_playback']['responses'][200]['content']['application/json']
export type Channel = operations['list_channels']['responses'][200]['content']['application/json']['items'][number]
/** What `register_viewer` answers whoever accepts JSON. */
export type Registration = operations['register_viewer']['responses'][200]['content']['application/json']
export type SignIn = operations['list_sign_ins']['responses'][200]['content']['application/json']['items'][number]
export type FailedJob = operations['list_jobs']['responses'][200]['content']['application/json']['items'][number]
export type DeadLetterQueue =
  operations['list_dead_letters']['responses'][200]['content']['application/json']['queues'][number]
export type AccountSummary = operations['list_accounts']['responses'][200]['content']['application/json']['items'][number]
export type ManagedAccount = operations['get_account']['responses'][200]['content']['application/json']
export type SignedParts = operations['sign_parts']['responses'][200]['content']['application/json']

interface Outcome<Data> {
  data?: Data
  error?: unknown
  response: Response
}

/** The data of an answer and the answer itself; throws a `Problem` when the request was refused. */
export async function answered<Data>(
  request: Promise<Outcome<Data>>,
): Promise<{ data: NonNullable<Data>; response: Response }> {
  const { data, error, response } = await request
  if (!response.ok) throw Problem.from(response.status, error)
  return { data: data as NonNullable<Data>, response }
}

/** The data of an answer; throws a `Problem` when the request was refused. */
export async function answer<Data>(request: Promise<Outcome<Data>>): Promise<NonNullable<Data>> {
  return (await answered(request)).data
}
