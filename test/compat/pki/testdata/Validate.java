import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertPathValidator;
import java.security.cert.CertStore;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Validates a path (RFC 5280 section 6), with revocation by the given CRLs if
 * there are any.
 *
 * java Validate.java ROOT.pem CRLS.pem CERTIFICATE.pem ISSUER.pem …
 */
public class Validate {
    public static void main(String[] args) throws Exception {
        var factory = CertificateFactory.getInstance("X.509");
        X509Certificate root;
        try (var in = new FileInputStream(args[0])) {
            root = (X509Certificate) factory.generateCertificate(in);
        }
        var path = new ArrayList<X509Certificate>();
        for (var file : List.of(args).subList(2, args.length)) {
            try (var in = new FileInputStream(file)) {
                path.add((X509Certificate) factory.generateCertificate(in));
            }
        }
        var parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        try (var in = new FileInputStream(args[1])) {
            var lists = factory.generateCRLs(in);
            parameters.setRevocationEnabled(!lists.isEmpty());
            parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists)));
        }
        CertPathValidator.getInstance("PKIX").validate(factory.generateCertPath(path), parameters);
        System.out.println("valid");
    }
}
