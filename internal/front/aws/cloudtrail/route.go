package cloudtrail

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// New returns the API of AWS CloudTrail over trails.
func New(trails Trails) aws.Service {
	f := &front{trails}
	return aws.Service{
		API: "aws.cloudtrail", Scope: "cloudtrail", Target: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
		AlsoTarget: "CloudTrail_20131101", // of SDKs that are made from AWS's Smithy models
		Operations: f.table(), Known: unserved, Explain: explain,
	}
}

// table is the API: name, action, and the handler, whose argument says what
// the request is.
func (f *front) table() []aws.Operation {
	return []aws.Operation{
		aws.JSON("AddTags", key.TagTrail, f.addTags),
		aws.JSON("CreateTrail", key.CreateTrail, f.createTrail),
		aws.JSON("DeleteTrail", key.DeleteTrail, f.deleteTrail),
		aws.JSON("DescribeTrails", key.DescribeTrails, f.describeTrails),
		aws.JSON("GetEventSelectors", key.GetEventSelectors, f.getEventSelectors),
		aws.JSON("GetTrail", key.GetTrail, f.getTrail),
		aws.JSON("GetTrailStatus", key.GetTrailStatus, f.getTrailStatus),
		aws.JSON("ListTags", key.ListTrailTags, f.listTags),
		aws.JSON("ListTrails", key.ListTrails, f.listTrails),
		aws.JSON("LookupEvents", key.ReadAudit, f.lookupEvents),
		aws.JSON("PutEventSelectors", key.PutEventSelectors, f.putEventSelectors),
		aws.JSON("RemoveTags", key.UntagTrail, f.removeTags),
		aws.JSON("StartLogging", key.StartLogging, f.startLogging),
		aws.JSON("StopLogging", key.StopLogging, f.stopLogging),
		aws.JSON("UpdateTrail", key.UpdateTrail, f.updateTrail),
	}
}

// unserved are AWS CloudTrail's other operations (botocore 1.43.11).
var unserved = []string{
	"CancelQuery", "CreateChannel", "CreateDashboard", "CreateEventDataStore", "DeleteChannel", "DeleteDashboard",
	"DeleteEventDataStore", "DeleteResourcePolicy", "DeregisterOrganizationDelegatedAdmin", "DescribeQuery", "DisableFederation",
	"EnableFederation", "GenerateQuery", "GetChannel", "GetDashboard", "GetEventConfiguration", "GetEventDataStore", "GetImport",
	"GetInsightSelectors", "GetQueryResults", "GetResourcePolicy", "ListChannels", "ListDashboards", "ListEventDataStores",
	"ListImportFailures", "ListImports", "ListInsightsData", "ListInsightsMetricData", "ListPublicKeys", "ListQueries",
	"PutEventConfiguration", "PutInsightSelectors", "PutResourcePolicy", "RegisterOrganizationDelegatedAdmin",
	"RestoreEventDataStore", "SearchSampleQueries", "StartDashboardRefresh", "StartEventDataStoreIngestion", "StartImport",
	"StartQuery", "StopEventDataStoreIngestion", "StopImport", "UpdateChannel", "UpdateDashboard", "UpdateEventDataStore",
}

// Operations returns all operations of AWS CloudTrail in the order of their
// names.
func Operations() []aws.Coverage { return aws.Cover(new(front).table(), unserved) }
