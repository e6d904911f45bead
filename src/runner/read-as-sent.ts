/**
 * Our texts are UTF-8 and were cut with standard_conforming_strings on, so that is how the server has to read them,
 * whatever a file has set in between. In a message of its own: the server decodes and cuts a message before it runs any of it.
 */
export function readAsSent(scope: 'SET' | 'SET LOCAL'): string {
  return `${scope} client_encoding = 'UTF8'; ${scope} standard_conforming_strings = on`;
}
