/** Where a request came in. */
export interface Place {
  /** `https://host` or `http://host:port`. */
  origin: string;
  hostname: string;
  pathname: string;
}

/** A URL that stands as a URL parser would write it: lower-case host, no user part, no port that goes without saying. */
const PLAIN = /^(https?:\/\/([a-z0-9][a-z0-9.-]*)(?::(?!(?:80|443)\/)\d+)?)(\/[^?#\\]*)/;

/** The place that a request's URL names. Cut out where it can be: a URL object costs as much as all other look-ups of a call. */
export function placeOf(url: string): Place {
  const [, origin, hostname, pathname] = PLAIN.exec(url) ?? [];
  return origin && hostname && pathname ? { origin, hostname, pathname } : new URL(url);
}
