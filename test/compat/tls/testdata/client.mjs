// A TLS client in Node: fetches a page from the URL, with a certificate of its
// own, and prints the protocol and the page.
// node client.mjs URL CA.pem CERT.pem KEY.pem [CRL.pem …]
import { readFileSync } from 'node:fs';
import { get } from 'node:https';

const [url, ca, cert, key, ...crls] = process.argv.slice(2);
const options = {
  ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key), minVersion: 'TLSv1.3',
};
if (crls.length > 0) options.crl = crls.map((file) => readFileSync(file));
get(url, options, (answer) => {
  const protocol = answer.socket.getProtocol();
  answer.setEncoding('utf8');
  let page = '';
  answer.on('data', (part) => { page += part; });
  answer.on('end', () => console.log(protocol, page));
}).on('error', (error) => {
  console.error(error.code, error.message);
  process.exitCode = 1;
});
