import java.io.FileInputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertPathBuilder;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXBuilderParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.X509CertSelector;
import java.util.EnumSet;
import javax.net.ssl.CertPathTrustManagerParameters;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * A TLS client in Java: fetches a page from the URL, with a certificate of its
 * own, and prints the protocol and the page. With "check" it asks the issuer
 * by OCSP, or its CRL, whether the server's certificate is revoked.
 *
 * java Client.java URL CA.pem CLIENT.p12 PASSWORD [check|crl]
 */
public class Client {
    public static void main(String[] args) throws Exception {
        var trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        try (var in = new FileInputStream(args[1])) {
            trusted.setCertificateEntry("root", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        var own = KeyStore.getInstance("PKCS12");
        try (var in = Files.newInputStream(Path.of(args[2]))) {
            own.load(in, args[3].toCharArray());
        }
        var keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, args[3].toCharArray());

        var parameters = new PKIXBuilderParameters(trusted, new X509CertSelector());
        parameters.setRevocationEnabled(false);
        if (args.length > 4) {
            var checker = (PKIXRevocationChecker) CertPathBuilder.getInstance("PKIX").getRevocationChecker();
            if (args[4].equals("crl")) {
                checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
            } else {
                checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.NO_FALLBACK));
            }
            parameters.setRevocationEnabled(true);
            parameters.addCertPathChecker(checker);
        }
        var trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(new CertPathTrustManagerParameters(parameters));

        var context = SSLContext.getInstance("TLSv1.3");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        var connection = (HttpsURLConnection) URI.create(args[0]).toURL().openConnection();
        connection.setSSLSocketFactory(context.getSocketFactory());
        connection.connect();
        try (var in = connection.getInputStream()) {
            System.out.println(connection.getSSLSession().map(s -> s.getProtocol()).orElse("?") + " " + new String(in.readAllBytes()));
        }
    }
}
